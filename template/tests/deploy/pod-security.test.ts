import { describe, expect, test } from 'bun:test'
import { hasKubectl, overlays, type PodSpec, podsOf, render } from '../support/kubernetes.ts'
import { brokenControls } from '../support/pod-security.ts'

describe.skipIf(!hasKubectl).each([...overlays])('the pods of %s', (overlay) => {
  test('keep every control of the restricted pod security standard', () => {
    const pods = podsOf(render(overlay))

    const broken = Object.fromEntries([...pods].map(([name, pod]) => [name, brokenControls(pod)]))

    expect(broken).toEqual(Object.fromEntries([...pods.keys()].map((name) => [name, []])))
    expect(pods.size).toBeGreaterThanOrEqual(4)
  })
})

describe('a pod', () => {
  const context = {
    allowPrivilegeEscalation: false,
    readOnlyRootFilesystem: true,
    capabilities: { drop: ['ALL'] },
  }
  const container = {
    name: 'service',
    image: 'service',
    securityContext: context,
    resources: { requests: { cpu: '1', memory: '1Mi' }, limits: { memory: '1Mi' } },
  }
  const podContext = { runAsNonRoot: true, seccompProfile: { type: 'RuntimeDefault' } }
  const safe: PodSpec = {
    automountServiceAccountToken: false,
    securityContext: podContext,
    containers: [container],
  }
  const inContainer = (change: object): PodSpec => ({
    ...safe,
    containers: [{ ...container, securityContext: { ...context, ...change } }],
  })
  const inPod = (change: object): PodSpec => ({ ...safe, securityContext: { ...podContext, ...change } })

  test('that is safe breaks no control', () => {
    expect(brokenControls(safe)).toEqual([])
  })

  test.each<[string, PodSpec]>([
    ['HostProcess', inContainer({ windowsOptions: { hostProcess: true } })],
    ['Host Namespaces', { ...safe, hostNetwork: true }],
    ['Privileged Containers', inContainer({ privileged: true })],
    ['Capabilities', inContainer({ capabilities: { drop: ['ALL'], add: ['NET_ADMIN'] } })],
    [
      'Host Ports',
      { ...safe, containers: [{ ...container, ports: [{ name: 'http', containerPort: 1, hostPort: 1 }] }] },
    ],
    ['AppArmor', inPod({ appArmorProfile: { type: 'Unconfined' } })],
    ['SELinux', inPod({ seLinuxOptions: { type: 'spc_t' } })],
    ['/proc Mount Type', inContainer({ procMount: 'Unmasked' })],
    ['Seccomp', inPod({ seccompProfile: { type: 'Unconfined' } })],
    ['Sysctls', inPod({ sysctls: [{ name: 'kernel.msgmax' }] })],
    ['Volume Types', { ...safe, volumes: [{ name: 'data', nfs: {} }] }],
    ['Privilege Escalation', inContainer({ allowPrivilegeEscalation: true })],
    ['Running as Non-root', inContainer({ runAsNonRoot: false })],
    ['Running as Non-root user', inPod({ runAsUser: 0 })],
    ['Read-only Root Filesystem', inContainer({ readOnlyRootFilesystem: false })],
    ['No Service Account Token', { ...safe, automountServiceAccountToken: true }],
    [
      'Bounded Memory',
      { ...safe, containers: [{ ...container, resources: { requests: { cpu: '1' }, limits: {} } }] },
    ],
  ])('that breaks "%s" is found, also in an init container', (name, pod) => {
    const [first] = pod.containers
    const initial = { ...safe, ...pod, initContainers: first ? [first] : [], containers: [container] }

    expect(brokenControls(pod)).toEqual([name])
    expect(brokenControls(initial)).toEqual([name])
  })

  test('with a folder of its node breaks two', () => {
    expect(brokenControls({ ...safe, volumes: [{ name: 'data', hostPath: { path: '/' } }] })).toEqual([
      'HostPath Volumes',
      'Volume Types',
    ])
  })
})
