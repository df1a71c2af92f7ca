"""What the tests share: servers and clients to compare, random commands, processes, waiting. Imported as kit.NAME."""
