"""How people and systems reach us: events in, questions answered from the copy of the tables, one plain page."""
