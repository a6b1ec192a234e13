# The two node images that need more than one static binary (the others are made by cluster/node-image.ts).
ARG BASE
FROM ${BASE} AS base
# kube-proxy programs the node's packet filter: iptables and nft with the libraries that they load.
RUN mkdir /out && cd /usr/sbin \
    && for file in xtables-nft-multi xtables-legacy-multi nft; do \
      cp --parents -L "/usr/sbin/$file" $(ldd "$file" | grep -o '/[^ ]*') /out; done \
    && cp --parents -rL /usr/lib/x86_64-linux-gnu/xtables /out \
    && cp --parents -L $(ldd /usr/lib/x86_64-linux-gnu/xtables/*.so | grep -o ' /[^ ]*' | sort -u) /out \
    && for name in iptables iptables-save iptables-restore ip6tables ip6tables-save ip6tables-restore; do \
      ln -s xtables-nft-multi "/out/usr/sbin/$name"; done
# The storage provisioner's helper pod makes and removes directories with a shell script.
RUN mkdir -p /helper/bin && cp /usr/bin/busybox /helper/bin/ \
    && for name in sh mkdir rm chmod; do ln -s busybox "/helper/bin/$name"; done

FROM scratch AS kube-proxy
ENV PATH=/usr/local/bin:/usr/bin:/bin
# As in the images of the other programs: the layer is theirs too.
COPY root/ /
COPY --from=base /out/ /
COPY links/ /usr/local/bin/
ENV PATH=/usr/local/bin:/usr/sbin:/usr/bin
ENTRYPOINT ["kube-proxy"]

FROM scratch AS local-path-helper
ENV PATH=/bin
COPY --from=base /helper/ /
ENTRYPOINT ["sh"]
