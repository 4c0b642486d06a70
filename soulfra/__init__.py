"""What we know: pure functions over events, rows and chats. No socket, clock or setting; time and ids are arguments."""
