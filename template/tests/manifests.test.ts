import { describe, expect, setDefaultTimeout, test } from 'bun:test'
import { type Manifest, overlays, render } from './support/kubernetes.ts'
import { schemaProblems, typeProblems } from './support/manifest-schemas.ts'

setDefaultTimeout(60_000)

describe.each([...overlays])('the manifests of %s', (overlay) => {
  test('keep the schemas of Kubernetes and of each operator, and have no field that these do not know', async () => {
    const manifests = render(overlay)

    expect(await schemaProblems(manifests)).toEqual([])
    expect(typeProblems(manifests)).toBe('')
  })
})

describe('a manifest', () => {
  const budget = (spec: Record<string, unknown>): Manifest[] => [
    { apiVersion: 'policy/v1', kind: 'PodDisruptionBudget', metadata: { name: 'example' }, spec },
  ]
  const scaled = (spec: Record<string, unknown>): Manifest[] => [
    {
      apiVersion: 'keda.sh/v1alpha1',
      kind: 'ScaledObject',
      metadata: { name: 'example' },
      spec: {
        scaleTargetRef: { name: 'example' },
        triggers: [{ type: 'prometheus', metadata: {} }],
        ...spec,
      },
    },
  ]

  test.each([
    ['a field of Kubernetes that is not known', budget({ maxUnavailible: 1 }), 'maxUnavailible'],
    ['a field of an operator that is not known', scaled({ maxReplicas: 3 }), 'maxReplicas'],
  ])('with %s is found', (_, manifests, name) => {
    expect(typeProblems(manifests)).toContain(`'"${name}"' does not exist`)
  })

  test.each([
    ['Kubernetes', budget({ selector: 'example' }), '/spec/selector must be object'],
    ['an operator', scaled({ minReplicaCount: 'two' }), '/spec/minReplicaCount must be integer'],
    [
      'an operator, which is missing',
      scaled({ triggers: undefined }),
      'must have required property triggers',
    ],
  ])('with a wrong field of %s is found', async (_, manifests, message) => {
    expect((await schemaProblems(manifests)).join()).toContain(message)
  })
})
