"""What tests share: random networks and plans, streams, stand-ins for tools and lines."""
