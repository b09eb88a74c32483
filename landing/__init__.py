"""The landing zone: registers files once they are complete."""
