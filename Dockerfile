# docker build -t kaizen-batch .
# docker run --rm -e OPENAI_API_KEY -v "$PWD:/data" kaizen-batch run tickets.csv --prompt "Classify: {text}" --output labels.csv
FROM python:3.12-slim AS wheels
WORKDIR /source
COPY . .
RUN pip wheel --no-cache-dir --wheel-dir /wheels '.[parquet,report]'

FROM python:3.12-slim
RUN --mount=type=bind,from=wheels,source=/wheels,target=/wheels \
    pip install --no-cache-dir --no-index --find-links /wheels 'kaizen-batch[parquet,report]'
RUN useradd --create-home --uid 1000 kaizen
USER kaizen
WORKDIR /data
ENTRYPOINT ["kaizen-batch"]
CMD ["--help"]
