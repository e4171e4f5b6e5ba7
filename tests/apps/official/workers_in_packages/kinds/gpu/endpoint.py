from runpod_flash import LiveServerless, remote

config = LiveServerless(name="shape_gpu", workersMax=1)


@remote(resource_config=config)
async def count(text: str) -> int:
    return len(text.split())
