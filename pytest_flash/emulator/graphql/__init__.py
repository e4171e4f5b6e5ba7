"""The management plane over GraphQL, for official SDKs that ask nothing else: thin over ``account``
and ``scheduler``, and to be dropped when Runpod drops it."""
