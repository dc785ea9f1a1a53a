import { type Container, containersOf, type PodSpec } from './kubernetes.ts'

const capabilities = (container: Container) => container.securityContext?.capabilities ?? {}

/** What an unset field of a container is taken from. */
const seccompOf = (pod: PodSpec, container: Container) =>
  container.securityContext?.seccompProfile?.type ?? pod.securityContext?.seccompProfile?.type
const userOf = (pod: PodSpec, container: Container) =>
  container.securityContext?.runAsUser ?? pod.securityContext?.runAsUser
const contexts = (pod: PodSpec) => [
  pod.securityContext ?? {},
  ...containersOf(pod).map(({ securityContext = {} }) => securityContext),
]
const everyContainer = (holds: (container: Container, pod: PodSpec) => boolean) => (pod: PodSpec) =>
  containersOf(pod).every((container) => holds(container, pod))

const volumeKinds = new Set(
  'configMap csi downwardAPI emptyDir ephemeral persistentVolumeClaim projected secret'.split(' '),
)
const safeSysctls =
  /^(kernel\.shm_rmid_forced|net\.ipv4\.(ip_local_port_range|ip_unprivileged_port_start|tcp_syncookies|ping_group_range|ip_local_reserved_ports|tcp_keepalive_(time|intvl|probes)|tcp_fin_timeout|tcp_rmem|tcp_wmem))$/

/**
 * Every control of the pod security standard "restricted", the baseline's included, by the name it has there.
 *
 * @see https://kubernetes.io/docs/concepts/security/pod-security-standards/
 */
const controls: Readonly<Record<string, (pod: PodSpec) => boolean>> = {
  HostProcess: (pod) => contexts(pod).every(({ windowsOptions }) => !windowsOptions?.hostProcess),
  'Host Namespaces': ({ hostNetwork, hostPID, hostIPC }) => !hostNetwork && !hostPID && !hostIPC,
  'Privileged Containers': everyContainer(({ securityContext }) => !securityContext?.privileged),
  Capabilities: everyContainer((container) => {
    const { drop = [], add = [] } = capabilities(container)
    return drop.includes('ALL') && add.every((name) => name === 'NET_BIND_SERVICE')
  }),
  'HostPath Volumes': ({ volumes = [] }) => volumes.every((volume) => !('hostPath' in volume)),
  'Host Ports': everyContainer(({ ports = [] }) => ports.every(({ hostPort }) => !hostPort)),
  AppArmor: (pod) => contexts(pod).every(({ appArmorProfile }) => appArmorProfile?.type !== 'Unconfined'),
  SELinux: (pod) =>
    contexts(pod).every(
      ({ seLinuxOptions: { type = '', user, role } = {} }) =>
        ['', 'container_t', 'container_init_t', 'container_kvm_t', 'container_engine_t'].includes(type) &&
        !user &&
        !role,
    ),
  '/proc Mount Type': (pod) => contexts(pod).every(({ procMount = 'Default' }) => procMount === 'Default'),
  Seccomp: everyContainer((container, pod) =>
    ['RuntimeDefault', 'Localhost'].includes(seccompOf(pod, container) ?? ''),
  ),
  Sysctls: ({ securityContext: { sysctls = [] } = {} }) =>
    sysctls.every(({ name }) => safeSysctls.test(name)),
  'Volume Types': ({ volumes = [] }) =>
    volumes.every((volume) => Object.keys(volume).every((key) => key === 'name' || volumeKinds.has(key))),
  'Privilege Escalation': everyContainer(
    ({ securityContext }) => securityContext?.allowPrivilegeEscalation === false,
  ),
  'Running as Non-root': everyContainer(
    ({ securityContext }, pod) => securityContext?.runAsNonRoot ?? pod.securityContext?.runAsNonRoot ?? false,
  ),
  'Running as Non-root user': everyContainer((container, pod) => userOf(pod, container) !== 0),
}

/** Not of the standard, but held here. */
const ownControls: Readonly<Record<string, (pod: PodSpec) => boolean>> = {
  'Read-only Root Filesystem': everyContainer(
    ({ securityContext }) => securityContext?.readOnlyRootFilesystem === true,
  ),
  'No Service Account Token': ({ automountServiceAccountToken }) => automountServiceAccountToken === false,
  'Bounded Memory': everyContainer(({ resources }) =>
    Boolean(resources?.requests?.cpu && resources.requests.memory && resources.limits?.memory),
  ),
}

/** The names of the controls that a pod breaks. */
export function brokenControls(pod: PodSpec): readonly string[] {
  return Object.entries({ ...controls, ...ownControls }).flatMap(([name, holds]) => (holds(pod) ? [] : name))
}
