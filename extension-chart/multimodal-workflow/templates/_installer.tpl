{{/* The pod that runs the installer; its argument: root context and action. */}}
{{- define "multimodal.installer" -}}
{{- $global := .root.Values.global -}}
metadata:
  labels:
    app.kubernetes.io/name: {{ $global.image }}
    app.kubernetes.io/component: {{ .action }}
spec:
  restartPolicy: Never
  automountServiceAccountToken: false
  {{- with $global.main_node_name }}
  nodeSelector:
    kubernetes.io/hostname: {{ . | quote }}
  {{- end }}
  imagePullSecrets:
    - name: registry-secret
    {{- with $global.custom_registry_url }}
    - name: registry-secret-{{ sha256sum . | trunc 4 }}
    {{- end }}
  containers:
    - name: {{ .action }}
      image: "{{ $global.custom_registry_url | default $global.registry_url | default "local" }}/{{ $global.image }}:{{ .root.Chart.Version }}"
      imagePullPolicy: {{ $global.pull_policy_images | default "IfNotPresent" }}
      env:
        - name: ACTION
          value: {{ .action | quote }}
      resources:
        requests: {memory: 16Mi, cpu: 10m}
        limits: {memory: 64Mi}
      volumeMounts:
        - name: dags
          mountPath: /kaapana/mounted/workflows/dags
  volumes:
    - name: dags
      persistentVolumeClaim:
        claimName: dags-pv-claim
{{- end -}}
