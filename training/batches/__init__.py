"""What training steps are fed: windows, memories, self-forcing rollouts."""
