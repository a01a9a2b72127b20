"""What people read of a drill: lines while it goes on, and the debrief."""
