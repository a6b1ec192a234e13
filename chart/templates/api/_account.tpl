{{/*
The token of the API's account, which may look after sandboxes and nothing else. It is mounted in this one container, not in what
users add to the pod. Root context.
*/}}
{{- define "opencode.api.accountVolume" -}}
- name: account
  projected:
    defaultMode: 0444
    sources:
      - serviceAccountToken: {path: token, expirationSeconds: 3600}
      - configMap:
          name: kube-root-ca.crt
          items: [{key: ca.crt, path: ca.crt}]
      - downwardAPI:
          items:
            - path: namespace
              fieldRef: {fieldPath: metadata.namespace, apiVersion: v1}
{{- end -}}

{{- define "opencode.api.accountMount" -}}
- name: account
  mountPath: /var/run/secrets/kubernetes.io/serviceaccount
  readOnly: true
{{- end -}}
