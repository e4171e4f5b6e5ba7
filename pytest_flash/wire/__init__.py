"""What Runpod's documents call things, once: for the client, the emulator and the provisioner.

Names only, and what is known of them. Light: the emulator's processes import it.
"""
