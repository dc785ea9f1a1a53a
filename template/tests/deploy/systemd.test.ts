import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { onPath } from '@kiln/shared/embedded'
import { variableName } from '@kiln/shared/settings'
import packageJson from '../../../package.json' with { type: 'json' }
import { ConfigSchema } from '../../../src/config.ts'
import { readDeployFile } from '../support/deploy.ts'

const unit = readDeployFile('systemd/service.service')
const valuesOf = (key: string) =>
  [...unit.matchAll(new RegExp(`^${key}=(.*)$`, 'gm'))].map(([, value = '']) => value)

/** Of ten; systemd calls it "OK" up to 4.9. What is left is the network, which a service needs. */
const maxExposure = 1.5

describe.skipIf(onPath('systemd-analyze').length === 0)('systemd-analyze', () => {
  const folder = mkdtempSync(join(tmpdir(), 'unit-'))
  const file = join(folder, `${packageJson.name}.service`)
  const analyze = (...args: readonly string[]) => {
    const { status, stdout, stderr } = spawnSync('systemd-analyze', [...args, file], { encoding: 'utf8' })
    return { status, output: stdout + stderr }
  }
  beforeAll(() => {
    // The program need not be installed here.
    writeFileSync(file, unit.replaceAll(/^(Exec\w+=)\S+/gm, '$1/bin/true'))
  })
  afterAll(() => rmSync(folder, { recursive: true }))

  test('finds the unit correct, without a warning', () => {
    expect(analyze('verify')).toEqual({ status: 0, output: '' })
  })

  test(`finds an exposure of at most ${maxExposure}`, () => {
    const { status, output } = analyze(
      'security',
      '--offline=true',
      '--no-pager',
      `--threshold=${maxExposure * 10}`,
    )

    const [, exposure] = /Overall exposure level for \S+: ([\d.]+)/.exec(output) ?? []
    process.stdout.write(`exposure ${exposure}, at most ${maxExposure}\n`)
    expect({ status, exposure: Number(exposure) <= maxExposure }).toEqual({ status: 0, exposure: true })
  })
})

describe('the unit of systemd', () => {
  test('runs the program of this name', () => {
    for (const command of [...valuesOf('ExecStartPre'), ...valuesOf('ExecStart')])
      expect(command).toStartWith(`/usr/local/bin/${packageJson.name} `)
  })

  test('sets what the configuration knows, and each secret from a credential', () => {
    // Keys that a rotation needs, or that sign in place of the secret, are added by who wants them.
    const chosen = ['jwtPreviousKeys', 'jwtPrivateKey']
    const required = Object.entries(ConfigSchema.properties).flatMap(([key, { secret }]) =>
      secret === true && !chosen.includes(key) ? `${variableName('SERVICE', key)}_FILE` : [],
    )
    const credentials = valuesOf('LoadCredential').map((value) => value.split(':')[0])
    const fromFiles = valuesOf('Environment').filter((value) => value.includes('_FILE='))

    expect(fromFiles).toEqual(required.map((name, index) => `${name}=%d/${credentials[index]}`))
    const known = Object.keys(ConfigSchema.properties).map((key) => variableName('SERVICE', key))
    for (const value of valuesOf('Environment'))
      expect(known).toContain(value.replace(/=.*/, '').replace(/_FILE$/, ''))
  })

  test('gives the service the time to drain and to stop before it is killed', () => {
    const env = Object.fromEntries(valuesOf('Environment').map((value) => value.split('=')))
    const neededMs = Number(env.SERVICE_DRAIN_DELAY_MS) + Number(env.SERVICE_SHUTDOWN_TIMEOUT_MS)

    expect(Number(valuesOf('TimeoutStopSec')[0]) * 1000).toBeGreaterThanOrEqual(neededMs + 5000)
  })
})
