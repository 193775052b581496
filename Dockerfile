# Builds in one stage, runs in another that has neither compiler nor sources nor development packages.
FROM node:22.20.0-bookworm-slim AS build
WORKDIR /app
COPY package.json package-lock.json ./
RUN npm ci --no-audit --no-fund
COPY . .
RUN node bin/build.js && npm prune --omit=dev --no-audit --no-fund

FROM node:22.20.0-bookworm-slim
LABEL org.opencontainers.image.title="cellward" \
      org.opencontainers.image.description="RF-detection sensor-fusion backend that finds contraband phones in prisons" \
      org.opencontainers.image.licenses="MIT"
ENV NODE_ENV=production
WORKDIR /app
COPY --from=build /app/package.json ./
COPY --from=build /app/node_modules ./node_modules
COPY --from=build /app/bin ./bin
COPY --from=build /app/dist ./dist
COPY --from=build /app/sensors/sites ./sensors/sites
RUN mkdir -p /var/lib/cellward && chown node:node /var/lib/cellward
USER node
VOLUME /var/lib/cellward
EXPOSE 8080
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s \
  CMD ["node", "-e", "fetch('http://127.0.0.1:8080/livez').then((r) => process.exit(r.ok ? 0 : 1), () => process.exit(1))"]
ENTRYPOINT ["node", "bin/cellward.js"]
CMD ["--help"]
