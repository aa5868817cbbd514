"""What a process needs before it computes: devices, random streams, compiled programs."""
