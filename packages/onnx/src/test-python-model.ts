/**
 * A model of every form a tensor's data has, written by Python's `onnx` 1.23.2 (helper.make_tensor and
 * numpy_helper.from_array; SerializeToString(deterministic=True)). Initializers: f32 [1.5, -2], i8 [-1, 0, 127],
 * i64 [-1, 2^62], u64 [2^64-1], f64 [0.1], f16 [1, 65504], b [true, false], s ["ä", ""], bf (bfloat16) [1],
 * raw (int32, raw data) [[1, 2], [3, 4]], i4 [1, -2, 3].
 */
export const PYTHON_MODEL = Buffer.from(
  [
    "CA4SBGdvbGQ6rAMKFgoBeBIBeRoBbiIISWRlbnRpdHkyAWQKbgoBeQoDZjMyEgF6IgNNdWwqDwoFYWxwaGEVAAAAP6ABASoV",
    "CgZmbG9hdHM9AACAPz0AACBAoAEGKiAKBGludHNAAUCAgICAgICAgIABQP//////////f6ABByoSCgdzdHJpbmdzSgFhSgFi",
    "oAEIEgFnKhMIAhABIggAAMA/AAAAwEIDZjMyKhYIAxADKgz///////////8BAH9CAmk4Kh4IAhAHOhP///////////8BgICA",
    "gICAgIBAQgNpNjQqFQgBEA1CA3U2NFoK////////////ASoTCAEQC0IDZjY0UgiamZmZmZm5PyoQCAIQCioFgHj/9wFCA2Yx",
    "NioLCAIQCSoCAQBCAWIqDQgCEAgyAsOkMgBCAXMqDAgBEBAqAoB/QgJiZiodCAIIAhAGQgNyYXdKEAEAAAACAAAAAwAAAAQA",
    "AAAqDQgDEBYqA+EBA0ICaTRaGgoBeBIVChMIARIPCgcSBWJhdGNoCgIIAgoAYgkKAXoSBAoCCAFiFQoBcRIQIg4KDCoKCAcS",
    "BgoECAESAEIECgAQFUIOCgphaS5vbm54Lm1sEANyDgoJX19wcm90b19fEgF2",
  ].join(""),
  "base64",
);
