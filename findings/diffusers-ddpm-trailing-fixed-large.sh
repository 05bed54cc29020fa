#!/usr/bin/env bash
# diffusers' DDPMScheduler with trailing timesteps and variance_type="fixed_large" adds noise in its last step too: what a
# model that knows the data makes is the data and noise.
#
# Exits with 0 while that is so, with 1 once it no longer happens.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check diffusers==0.42.1 torch==2.13.0 numpy==2.4.6

"$folder/venv/bin/python" - <<'PYTHON' 2>/dev/null
import sys

import diffusers
import torch

STEPS = 20
print(f"diffusers {diffusers.__version__}, DDPMScheduler, {STEPS} steps, data that are 0 everywhere, a model that answers just that")
print("expected: the last step adds no noise, whatever the spacing and the variance: samples are 0")
noisy = set()
for spacing in ("leading", "linspace", "trailing"):
    for variance in ("fixed_small", "fixed_large"):
        scheduler = diffusers.DDPMScheduler(
            timestep_spacing=spacing, variance_type=variance, prediction_type="sample", clip_sample=False
        )
        scheduler.set_timesteps(STEPS)
        generator = torch.Generator().manual_seed(0)
        x = torch.randn(1, 1, 64, 64, generator=generator)
        for t in scheduler.timesteps:
            x = scheduler.step(torch.zeros_like(x), t, x, generator=generator).prev_sample
        print(f"seen: {spacing}, {variance}: last timestep {int(scheduler.timesteps[-1])}, standard deviation of a sample {x.std():.3f}")
        if x.std() > 0.05:
            noisy.add((spacing, variance))
sys.exit(0 if noisy == {("trailing", "fixed_large")} else 1)
PYTHON
