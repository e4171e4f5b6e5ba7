"""The HTTP client of our own traffic: one protocol core on h11, with four ways to move its bytes.

``pool`` (asyncio, many short requests), ``blocking`` (threads) and ``streaming`` (bodies as they
come) share ``protocol``; ``proxied`` leaves all of it to httpx, where the environment names a
proxy. Mocks and recorders replace the clients of others, and so see nothing of it.
"""
