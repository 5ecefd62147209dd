"""From a component to a bitstream: the tools' steps, what they report, and the record of a build."""
