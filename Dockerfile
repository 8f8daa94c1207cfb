# The server of one model, without its compiler:
#
#     docker build --tag polytome .
#     docker run --rm --publish 127.0.0.1:8000:8000 --env POLYTOME_TOKEN \
#         --volume "$PWD/iris.safetensors:/model.safetensors:ro" polytome
#
# It refuses to start without a token, since it listens to more than its own machine.

FROM python:3.12-slim AS build
RUN apt-get update && apt-get install --yes --no-install-recommends g++
COPY . /source
RUN pip install --no-cache-dir --prefix /installed "/source[serve]"

FROM python:3.12-slim
RUN apt-get update && apt-get install --yes --no-install-recommends libstdc++6 && rm -rf /var/lib/apt/lists/* \
    && useradd --system --uid 10001 --no-create-home --shell /usr/sbin/nologin polytome
COPY --from=build /installed /usr/local
USER 10001
EXPOSE 8000
HEALTHCHECK --interval=30s --timeout=5s --start-period=20s \
    CMD ["python", "-c", "from urllib.request import urlopen; urlopen('http://127.0.0.1:8000/healthz', timeout=4)"]
ENTRYPOINT ["polytome", "serve", "--host", "0.0.0.0", "--port", "8000"]
CMD ["/model.safetensors"]
