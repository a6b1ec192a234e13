# Envoy from its PyPI wheel with the C library that it is linked with.
ARG BASE
FROM ${BASE} AS base
COPY envoy /usr/local/bin/envoy
RUN mkdir /out && cp --parents -L $(ldd /usr/local/bin/envoy | grep -o '/[^ ]*') /etc/ssl/certs/ca-certificates.crt /out && mkdir -m 1777 /out/tmp

FROM scratch
ENV PATH=/usr/local/bin
COPY --from=base /out/ /
COPY envoy /usr/local/bin/
USER 65532
ENTRYPOINT ["envoy"]
