"""How latents go on: flow, denoiser, memory, rollout, trust."""
