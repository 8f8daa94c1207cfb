"""Tables, files of data, images and built-in data sets, read and encoded."""
