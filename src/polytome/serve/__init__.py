"""A model behind HTTP: `polytome serve`. FastAPI and uvicorn load when a server is made, not before."""
