"""The other planes: queue, workers, load balancer, and control for tests."""
