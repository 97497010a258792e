"""How a policy's rules agree with people, and thresholds that would agree better."""
