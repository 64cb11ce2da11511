"""What the bundled models are trained on and with: procedural teachers, losses and loops."""
