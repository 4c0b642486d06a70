"""A whole Soulfra on one machine: broker, Redis server, workers and edge, started, watched and stopped together."""
