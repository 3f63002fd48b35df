"""With this file here pytest puts this folder on the path: what stands beside it is for all tests."""
