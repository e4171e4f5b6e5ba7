"""From resources to endpoints: discover, plan, apply."""
