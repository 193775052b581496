/**
 * Correlated log-normal shadowing as one frozen random field over emitter and sensor positions.
 *
 * Model: S(p, s, band) normal with covariance sigma^2 exp(-|p-p'|/dTx) exp(-|s-s'|/dRx) rho(band, band'), Gudmundson's
 * exponential autocorrelation at both ends (1991), rho 1 within a band and `bandRho` between bands (shadowing at 900 and
 * 1900 MHz was measured anywhere from identical to independent, so one half is taken).
 *
 * Made by random Fourier features: frequencies drawn from the multivariate Cauchy law, whose characteristic function is
 * exp(-|t|), for both ends in one cosine, so that the covariance is the product of the two. With 256 features the
 * covariance is met within about 6 % of sigma^2 in a given draw and exactly on average.
 */
import { stream } from "./prng.ts";

const FEATURES = 256;

export interface ShadowSpec {
  readonly sigmaDb: number;
  readonly dTxM: number;
  readonly dRxM: number;
  readonly bandRho: number;
}

interface SensorPoint {
  readonly x: number;
  readonly y: number;
  readonly z: number;
}

interface Layer {
  /** Emitter-side frequencies, features by 3. */
  readonly omega: Float64Array;
  readonly phase: Float64Array;
  /** Sensor-side cosines and sines, sensors by features. */
  readonly cos: Float32Array;
  readonly sin: Float32Array;
}

export class Shadowing {
  readonly spec: ShadowSpec;
  /** Layer 0 is common to all bands, layer b + 1 is band b's own; made when first needed. */
  private readonly layers: (Layer | undefined)[] = [];
  private readonly sensors: readonly SensorPoint[];
  private readonly seed: number;

  constructor(spec: ShadowSpec, sensors: readonly SensorPoint[], seed: number) {
    this.spec = spec;
    this.sensors = sensors;
    this.seed = seed;
  }

  /** Adds the shadowing of every sensor for an emitter at (x, y, z) in `band` to `out`, dB. Cost: 512 products a sensor. */
  addTo(out: Float64Array, x: number, y: number, z: number, band: number): void {
    const { sigmaDb, bandRho } = this.spec;
    if (sigmaDb <= 0) return;
    const scale = sigmaDb * Math.sqrt(2 / FEATURES);
    this.addLayer(out, this.layer(0), x, y, z, scale * Math.sqrt(bandRho));
    this.addLayer(out, this.layer(band + 1), x, y, z, scale * Math.sqrt(1 - bandRho));
  }

  private layer(n: number): Layer {
    const layer = this.layers[n] ?? makeLayer(this.spec, this.sensors, this.seed, n);
    this.layers[n] = layer;
    return layer;
  }

  private addLayer(out: Float64Array, layer: Layer, x: number, y: number, z: number, weight: number): void {
    const { omega, phase, cos, sin } = layer;
    const c = new Float64Array(FEATURES);
    const s = new Float64Array(FEATURES);
    for (let m = 0; m < FEATURES; m++) {
      const a =
        (omega[3 * m] as number) * x +
        (omega[3 * m + 1] as number) * y +
        (omega[3 * m + 2] as number) * z +
        (phase[m] as number);
      c[m] = Math.cos(a);
      s[m] = Math.sin(a);
    }
    for (let i = 0; i < this.sensors.length; i++) {
      let sum = 0;
      const at = i * FEATURES;
      for (let m = 0; m < FEATURES; m++) {
        sum += (c[m] as number) * (cos[at + m] as number) - (s[m] as number) * (sin[at + m] as number);
      }
      out[i] = (out[i] as number) + weight * sum;
    }
  }
}

function makeLayer(spec: ShadowSpec, sensors: readonly SensorPoint[], seed: number, layer: number): Layer {
  const rng = stream(seed, `shadow/${layer}`);
  const cauchy = (scale: number): [number, number, number] => {
    const w = Math.abs(rng.normal()) * scale;
    return [rng.normal() / w, rng.normal() / w, rng.normal() / w];
  };
  const omega = new Float64Array(3 * FEATURES);
  const phase = new Float64Array(FEATURES);
  const cos = new Float32Array(sensors.length * FEATURES);
  const sin = new Float32Array(sensors.length * FEATURES);
  for (let m = 0; m < FEATURES; m++) {
    omega.set(cauchy(spec.dTxM), 3 * m);
    phase[m] = rng.range(0, 2 * Math.PI);
    const nu = cauchy(spec.dRxM);
    sensors.forEach((s, i) => {
      const a = nu[0] * s.x + nu[1] * s.y + nu[2] * s.z;
      cos[i * FEATURES + m] = Math.cos(a);
      sin[i * FEATURES + m] = Math.sin(a);
    });
  }
  return { omega, phase, cos, sin };
}
