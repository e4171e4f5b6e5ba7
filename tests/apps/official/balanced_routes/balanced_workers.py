"""The workers."""

from runpod_flash import CpuLiveLoadBalancer, LiveLoadBalancer, remote

gpu = LiveLoadBalancer(name="balanced_gpu", workersMin=0, workersMax=1)
cpu = CpuLiveLoadBalancer(name="balanced_cpu", workersMax=1)


@remote(cpu, method="POST", path="/transform")
async def transform(text: str, operation: str = "upper") -> dict:
    return {"text": getattr(text, operation)(), "operation": operation}


@remote(gpu, method="GET", path="/health")
async def health() -> dict:
    return {"status": "healthy"}
