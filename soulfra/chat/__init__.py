"""What a chat export says: recognised by content, read tolerantly, into one kind of message for all formats."""

from soulfra.chat.message import Export, Message, Part, Recognition, Skipped, Unreadable, part_of
from soulfra.chat.recognise import formats, recognise_file, recognise_head

__all__ = [
    "Export",
    "Message",
    "Part",
    "Recognition",
    "Skipped",
    "Unreadable",
    "formats",
    "part_of",
    "recognise_file",
    "recognise_head",
]
