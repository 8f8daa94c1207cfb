"""What a lesson is made of, what the documents print, and the ways to show both."""
