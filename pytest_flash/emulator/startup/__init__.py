"""The start of an emulator: its configuration, its announcement, its temporary folder."""
