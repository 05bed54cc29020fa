"""Imported first: one thread a process, no window."""

import os

os.environ.setdefault("SDL_VIDEODRIVER", "dummy")
os.environ.setdefault("PYGAME_HIDE_SUPPORT_PROMPT", "1")
os.environ.setdefault("OMP_NUM_THREADS", "1")

import cv2
import torch

torch.set_num_threads(1)
cv2.setNumThreads(1)
