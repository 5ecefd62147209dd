"""Reports as people see them: tables, charts, the page."""
