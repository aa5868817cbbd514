"""What the stages of Posterity share. Each module can be imported alone; none imports everything."""
