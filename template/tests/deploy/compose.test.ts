import { describe, expect, test } from 'bun:test'
import { readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { YAML } from 'bun'
import packageJson from '../../../package.json' with { type: 'json' }
import { loadConfig } from '../../../src/config.ts'
import { testSecret } from '../../../tests/support/service.ts'

interface Service {
  readonly image: string
  readonly profiles?: readonly string[]
  readonly command?: readonly string[]
  readonly environment?: Readonly<Record<string, string>>
  readonly healthcheck?: { readonly disable?: boolean }
  readonly ports?: readonly string[]
  readonly read_only?: boolean
  readonly cap_drop?: readonly string[]
  readonly stop_grace_period?: string
  readonly deploy?: { readonly resources?: { readonly limits?: Readonly<Record<string, string>> } }
}

const root = resolve(import.meta.dirname, '../../..')
const read = (file: string) => readFileSync(join(root, file), 'utf8')
const { services, networks, volumes } = YAML.parse(read('compose.yaml')) as {
  services: Readonly<Record<string, Service>>
  networks: Readonly<Record<string, unknown>>
  volumes: Readonly<Record<string, unknown>>
}
const every = Object.entries(services)

describe('Dockerfile', () => {
  const dockerfile = read('Dockerfile')

  test('builds with the Bun of package.json, on bases that are arguments', () => {
    const bases = [...dockerfile.matchAll(/^FROM (\S+)/gm)].map(([, base]) => base)

    expect(dockerfile).toContain(`ARG BUN_IMAGE=oven/bun:${packageJson.devDependencies.bun}\n`)
    expect(bases).toEqual(['${' + 'BUN_IMAGE}', 'dependencies', 'dependencies', '${' + 'RUNTIME_IMAGE}'])
  })

  test('needs nothing but what .dockerignore lets in', () => {
    const copied = [...dockerfile.matchAll(/^COPY (?!--from)(.+) \S+$/gm)].flatMap(([, files = '']) =>
      files.split(' '),
    )

    const allowed = [...read('.dockerignore').matchAll(/^!(.+)$/gm)].map(([, file]) => file)
    expect(copied.length).toBeGreaterThan(5)
    for (const file of copied)
      expect(allowed.some((path) => file === path || file.startsWith(`${path}/`))).toBeTrue()
  })
})

describe('compose.yaml', () => {
  test.each(every)('%s has a version, limits, and is published to this machine alone', (name, service) => {
    const image = service.image.replace(/^\$\{\w+:-(.+)\}$/, '$1')

    expect(image).toMatch(/^example-service(-proxy)?$|:v?\d[\w.]*$/)
    expect(Object.keys(service.deploy?.resources?.limits ?? {})).toEqual(['cpus', 'memory'])
    for (const port of service.ports ?? [])
      expect(port).toMatch(/^(\$\{SERVICE_PUBLISHED_ADDRESS:-)?127\.0\.0\.1/)
    if (!service.profiles?.includes('observe')) {
      expect({ name, ...service }).toMatchObject({ read_only: true, cap_drop: ['ALL'] })
    }
  })

  test('holds no password', () => {
    const settings = every.flatMap(([, { environment = {} }]) => Object.keys(environment))

    expect(settings.filter((name) => /PASSWORD|SECRET|_URL/.test(name) && !name.endsWith('_FILE'))).toEqual(
      [],
    )
  })

  test('gives the service settings that it has, as files that `secrets` makes', () => {
    const { app, secrets } = services
    const settings = Object.entries(app?.environment ?? {}).filter(([name]) => name.startsWith('SERVICE_'))
    const files = settings.filter(([name]) => name.endsWith('_FILE'))

    const config = loadConfig({
      ...Object.fromEntries(
        settings.filter(([name, value]) => !name.endsWith('_FILE') && !value.startsWith('$')),
      ),
      SERVICE_DATABASE_URL: 'postgres://a@b/c',
      SERVICE_REDIS_URL: 'redis://a',
      SERVICE_JWT_SECRET_KEY: testSecret,
    })

    expect(files.map(([, file]) => file).sort()).toEqual(
      ['database-url', 'jwt-secret-key', 'redis-url'].map((name) => `/secrets/${name}`),
    )
    expect(secrets?.command).toContain('--dir=/secrets')
    const graceMs = Number.parseInt(app?.stop_grace_period ?? '', 10) * 1000
    expect(graceMs).toBeGreaterThan(config.drainDelayMs + config.shutdownTimeoutMs)
  })
})

describe('compose.joined.yaml', () => {
  const joined = YAML.parse(read('deploy/compose.joined.yaml')) as {
    services: Readonly<Record<string, Readonly<Record<string, unknown>>>>
    networks: Readonly<Record<string, unknown>>
    volumes: Readonly<Record<string, unknown>>
  }

  test('changes what compose.yaml has, and takes network and secrets of the other project', () => {
    const project = '${' + 'EVENTS_PROJECT:-events}'

    expect(Object.keys(joined.services)).toEqual(['redis', 'app'])
    expect(Object.keys(services)).toEqual(expect.arrayContaining(['redis', 'app']))
    expect(joined.networks.events).toEqual({ external: true, name: `${project}_data` })
    expect(joined.volumes['events-secrets']).toEqual({ external: true, name: `${project}_secrets` })
    expect([networks.data, volumes.secrets]).toEqual([{ internal: true }, {}])
  })

  test('waits for no Redis of its own, and has its events from the other', () => {
    const { redis, app } = joined.services

    expect(redis).toEqual({ profiles: ['own-redis'] })
    expect(app).toMatchObject({
      depends_on: { redis: { required: false } },
      environment: { SERVICE_REDIS_URL_FILE: '/events/redis-url' },
      networks: { events: {} },
      volumes: ['events-secrets:/events:ro'],
    })
  })
})
