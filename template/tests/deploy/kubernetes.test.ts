import { describe, expect, test } from 'bun:test'
import { variableName } from '@kiln/shared/settings'
import { YAML } from 'bun'
import { Client } from 'pg'
import packageJson from '../../../package.json' with { type: 'json' }
import { processRoles } from '../../../src/cli.ts'
import { ConfigSchema } from '../../../src/config.ts'
import { createTestDatabase } from '../../../tests/support/database.ts'
import { runProgram } from '../../../tests/support/process.ts'
import { readDeployFile } from '../support/deploy.ts'
import {
  type Container,
  containersOf,
  hasKubectl,
  type Manifest,
  overlays,
  podsOf,
  render,
} from '../support/kubernetes.ts'

const { name } = packageJson
const settings = Object.entries(ConfigSchema.properties).flatMap(([key, property]) => {
  const variable = variableName('SERVICE', key)
  return property.secret === true ? [variable, `${variable}_FILE`] : variable
})

/** A container's variables, those of its ConfigMap included. */
function environmentOf(container: Container, manifests: readonly Manifest[]): Record<string, string> {
  const shared = (container.envFrom ?? []).map(({ configMapRef }) => {
    const map = manifests.find(
      ({ kind, metadata }) => kind === 'ConfigMap' && metadata.name === configMapRef.name,
    )
    if (!map?.data) throw new Error(`there is no ConfigMap ${configMapRef.name}`)
    return map.data
  })
  const own = (container.env ?? []).map(({ name, value = '' }) => [name, value] as const)
  return { ...Object.assign({}, ...shared), ...Object.fromEntries(own) }
}

/** As if a later version of the program had migrated. */
async function later(url: string): Promise<void> {
  const client = new Client({ connectionString: url })
  await client.connect()
  await client.query(`insert into kysely_migration values ('9999-of-a-later-version', now()::text)`)
  await client.end()
}

describe.skipIf(!hasKubectl).each([...overlays])('the overlay %s', (overlay) => {
  const manifests = hasKubectl ? render(overlay) : []
  const ofKind = (wanted: string) => manifests.filter(({ kind }) => kind === wanted)
  const pods = [...podsOf(manifests)].filter(([owner]) => owner.startsWith(name))
  const serving = pods.filter(([, { containers }]) => containers[0]?.args?.[0] === 'serve')

  test('puts everything into one namespace, under the name of the service', () => {
    const [namespace] = ofKind('Namespace')

    expect(namespace?.metadata.labels).toMatchObject({ 'pod-security.kubernetes.io/enforce': 'restricted' })
    for (const { kind, metadata } of manifests.filter(({ kind }) => kind !== 'Namespace'))
      expect({ kind, in: metadata.namespace }).toEqual({ kind, in: `${namespace?.metadata.name}` })
    expect(pods.length).toBe(4)
  })

  test('runs each role in a Deployment of its own', () => {
    const roles = serving.map(([, { containers }]) => containers[0]?.args?.slice(1))

    expect(roles.toSorted()).toEqual(processRoles.map((role) => ['--roles', role]).toSorted())
  })

  test('sets what the configuration knows, and secrets by file from the Secret alone', () => {
    for (const container of pods.flatMap(([, pod]) => containersOf(pod))) {
      const env = environmentOf(container, manifests)
      const folder = container.volumeMounts?.find(({ name }) => name === 'secrets')?.mountPath

      expect(Object.keys(env).filter((variable) => !settings.includes(variable))).toEqual([])
      for (const [variable, value] of Object.entries(env))
        if (variable.endsWith('_FILE')) expect(value).toStartWith(`${folder}/`)
    }
    for (const [, { containers }] of serving)
      expect(Object.keys(environmentOf(containers[0] as Container, manifests))).toEqual(
        expect.arrayContaining([
          'SERVICE_DATABASE_URL_FILE',
          'SERVICE_REDIS_URL_FILE',
          'SERVICE_JWT_SECRET_KEY_FILE',
        ]),
      )
  })

  test('gives a pod the time to drain and to stop before it is killed', () => {
    for (const [, { containers, terminationGracePeriodSeconds = 30 }] of serving) {
      const env = environmentOf(containers[0] as Container, manifests)
      const neededMs = Number(env.SERVICE_DRAIN_DELAY_MS) + Number(env.SERVICE_SHUTDOWN_TIMEOUT_MS)

      expect(terminationGracePeriodSeconds * 1000).toBeGreaterThanOrEqual(neededMs + 5000)
    }
  })

  test('probes and is scraped at the port of operations, which the Service does not show', () => {
    for (const [, { containers }] of serving) {
      const [container] = containers as readonly Container[]
      const ports = Object.fromEntries(
        (container?.ports ?? []).map(({ name, containerPort }) => [name, containerPort]),
      )
      const { SERVICE_OPERATIONS_PORT } = environmentOf(container as Container, manifests)

      expect(`${ports.operations}`).toBe(`${SERVICE_OPERATIONS_PORT}`)
      expect(container).toMatchObject({
        startupProbe: { httpGet: { path: '/live', port: 'operations' } },
        livenessProbe: { httpGet: { path: '/live', port: 'operations' } },
        readinessProbe: { httpGet: { path: '/ready', port: 'operations' } },
      })
    }
    const service = ofKind('Service').find(({ metadata }) => metadata.name === name)
    expect(service?.spec?.ports).toMatchObject([{ port: 8000, targetPort: 'http' }])
  })

  test('has a budget for each Deployment, and no number of replicas where one is computed', () => {
    const selectors = ofKind('PodDisruptionBudget').map(({ spec }) => spec?.selector)
    const scaled = manifests.flatMap(
      ({ spec }) => (spec?.scaleTargetRef as { name: string } | undefined)?.name ?? [],
    )

    expect(ofKind('Deployment').map(({ spec }) => spec?.selector)).toEqual(selectors)
    expect(ofKind('Deployment').map(({ metadata }) => metadata.name)).toEqual(expect.arrayContaining(scaled))
    for (const { metadata, spec } of ofKind('Deployment'))
      if (scaled.includes(metadata.name)) expect(spec).not.toHaveProperty('replicas')
  })

  test('migrates in a Job that has the version in its name', () => {
    const [job] = ofKind('Job')
    const images = new Set(pods.flatMap(([, pod]) => containersOf(pod).map(({ image }) => image)))
    const [image = ''] = images

    expect(images.size).toBe(1)
    expect(job?.metadata.name).toBe(`${name}-migrate.${image.split(':').at(-1)}`)
  })

  test('starts a pod only after the migrations, also one of an earlier version', async () => {
    const database = await createTestDatabase()
    const job = pods.find(([owner]) => owner.includes('-migrate.'))?.[1].containers[0]?.args ?? []
    const waits = new Set(serving.map(([, { initContainers }]) => initContainers?.[0]?.args?.join(' ')))
    const wait = [...waits].join().split(' ')
    const run = async (args: readonly string[]) =>
      (await runProgram(args, { env: { SERVICE_DATABASE_URL: database.url } })).exitCode

    const before = await run(wait)
    const migrated = await run(job)
    const after = await run(wait)
    await later(database.url)
    const earlier = { waits: await run(wait), migrates: await run(job) }

    expect({ before, migrated, after }).toEqual({ before: 1, migrated: 0, after: 0 })
    // Why pods do not migrate by themselves: an earlier version could not start any more.
    expect(earlier).toEqual({ waits: 0, migrates: 1 })
    await database.drop()
  }, 30_000)
})

describe('the rules for the Prometheus operator', () => {
  test('are those of alerts.yml', () => {
    const rule = YAML.parse(
      readDeployFile('kubernetes/components/monitoring/prometheus-rule.yaml'),
    ) as Manifest

    expect(rule.spec).toEqual(YAML.parse(readDeployFile('prometheus/alerts.yml')) as Record<string, unknown>)
  })
})
