"""What is learned from people's decisions, and how well it holds on decisions it did not see."""
