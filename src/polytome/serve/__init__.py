"""A model over HTTP: `polytome serve`. FastAPI and uvicorn are loaded only when a server is
made."""
