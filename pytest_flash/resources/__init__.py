"""The configuration objects of user code: pure data, checked when it is made."""

from __future__ import annotations

from ..wire.cpus import CpuInstanceType
from ..wire.data_centers import DataCenter
from ..wire.gpus import POOL_TYPES, CudaVersion, GpuGroup, GpuType, pool_of
from .gpu_and_cpu import CpuLiveServerless, LiveServerless
from .load_balancing import CpuLiveLoadBalancer, LiveLoadBalancer
from .official_names import (
    CpuLoadBalancerSlsResource,
    CpuServerlessEndpoint,
    FlashApp,
    LoadBalancerSlsResource,
    ResourceManager,
    ServerlessEndpoint,
)
from .serverless_base import ServerlessResource, ServerlessScalerType, ServerlessType
from .template import KeyValuePair, PodTemplate
from .volume import NetworkVolume

__all__ = [
    "POOL_TYPES",
    "CpuInstanceType",
    "CpuLiveLoadBalancer",
    "CpuLiveServerless",
    "CpuLoadBalancerSlsResource",
    "CpuServerlessEndpoint",
    "CudaVersion",
    "DataCenter",
    "FlashApp",
    "GpuGroup",
    "GpuType",
    "KeyValuePair",
    "LiveLoadBalancer",
    "LiveServerless",
    "LoadBalancerSlsResource",
    "NetworkVolume",
    "PodTemplate",
    "ResourceManager",
    "ServerlessEndpoint",
    "ServerlessResource",
    "ServerlessScalerType",
    "ServerlessType",
    "pool_of",
]
