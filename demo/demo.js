// The page: it loads the model when it is asked to, and answers photos in this browser.
// What a photo becomes before the network sees it is `warp_photo` and `read_photo` of the package, step by step.

const $ = id => document.getElementById(id);
const words = breed => breed.replaceAll('_', ' ');
const percent = p => p > .995 ? 'more than 99%' : p < .005 ? 'less than 1%' : `${Math.round(100 * p)}%`;
let about, ort, session, attempts = 0; // a browser does not ask anew for a module that failed

// One axis of an image. A step is a list with, for each new pixel, the first old one that counts and their weights.

const mirrored = (i, n) => { // without the edge twice, as OpenCV's BORDER_REFLECT_101
  while (i < 0 || i >= n) i = i < 0 ? -i : 2 * n - 2 - i;
  return i;
};

const step = (count, n, taps) => Array.from({length: count}, (_, i) => {
  const sums = new Map();
  for (const [at, weight] of taps(i)) sums.set(mirrored(at, n), (sums.get(mirrored(at, n)) ?? 0) + weight);
  const first = Math.min(...sums.keys()), weights = new Float64Array(Math.max(...sums.keys()) - first + 1);
  for (const [at, weight] of sums) weights[at - first] += weight;
  return {first, weights};
});

const after = (later, earlier, n) => step(later.length, n, i => later[i].weights.reduce((taps, outer, k) => {
  const {first, weights} = earlier[later[i].first + k];
  weights.forEach((inner, j) => taps.push([first + j, outer * inner]));
  return taps;
}, []));

function shrunk(n, count) { // each new pixel is the mean of what it covers
  const ratio = n / count;
  return step(count, n, i => {
    const taps = [];
    for (let at = Math.floor(i * ratio); at < Math.min(n, Math.ceil((i + 1) * ratio)); at++)
      taps.push([at, (Math.min(at + 1, (i + 1) * ratio) - Math.max(at, i * ratio)) / ratio]);
    return taps;
  });
}

function blurred(n, sigma) { // a Gaussian
  const reach = Math.ceil(2 * sigma), window = Array.from({length: 2 * reach + 1}, (_, k) => Math.exp(-((k - reach) ** 2) / (2 * sigma ** 2)));
  const sum = window.reduce((a, b) => a + b);
  return step(n, n, i => window.map((w, k) => [i + k - reach, w / sum]));
}

function sampled(n, size) { // between the two nearest pixels, corners on corners of fastai's large square
  const large = Math.round(size * 460 / 224), ratio = n / large;
  return step(size, n, i => {
    const at = ratio * (i * (large - 1) / (size - 1) + .5) - .5, low = Math.floor(at);
    return [[low, low + 1 - at], [low + 1, at - low]];
  });
}

function decoded(n, eighths) { // what a JPEG decoder gives that keeps the low frequencies of each block of 8
  return step(Math.ceil(n * eighths / 8), n, i => Array.from({length: 8}, (_, x) => {
    let weight = 1 / 8;
    for (let k = 1; k < eighths; k++)
      weight += Math.cos((2 * (i % eighths) + 1) * k * Math.PI / (2 * eighths)) * Math.cos((2 * x + 1) * k * Math.PI / 16) / 4;
    return [8 * Math.floor(i / eighths) + x, weight];
  }));
}

// From an axis of n pixels, of an image whose shorter one has `short`, to `size` pixels: all steps in one.
function resizing(n, short, size, isJpeg) {
  const eighths = isJpeg ? Math.min(8, 1 + Math.floor(8 * (Math.floor(1.5 * size) - 1) / short)) : 8; // 1.5 times the size is enough
  const at = Math.ceil(n * eighths / 8), side = Math.ceil(short * eighths / 8), from = (at - side) >> 1;
  let steps = step(side, at, i => [[from + i, 1]]);
  if (eighths < 8) steps = after(steps, decoded(n, eighths), n);
  const times = Math.floor(side / (8 * size)), middle = times > 1 ? Math.floor(side / times) : side;
  if (times > 1) steps = after(shrunk(side, middle), steps, n);
  const large = Math.round(size * 460 / 224), sigma = middle / large * (large - 1) / (size - 1) - 1;
  if (sigma > .2) steps = after(blurred(middle, sigma), steps, n);
  return after(sampled(middle, size), steps, n);
}

// RGB, (size, size, 3), from the bytes of a part of the image that begins at (left, top).
function resized({data, width}, left, top, across, down) {
  const size = across.length, rows = new Float32Array(size * width * 3), out = new Uint8Array(size * size * 3);
  down.forEach(({first, weights}, y) => weights.forEach((w, k) => {
    const from = (first - top + k) * width * 4, to = y * width * 3;
    for (let x = 0; x < width; x++) for (let c = 0; c < 3; c++) rows[to + 3 * x + c] += w * data[from + 4 * x + c];
  }));
  across.forEach(({first, weights}, x) => {
    for (let y = 0; y < size; y++) for (let c = 0; c < 3; c++) {
      let sum = 0;
      for (let k = 0; k < weights.length; k++) sum += weights[k] * rows[(y * width + first - left + k) * 3 + c];
      out[(y * size + x) * 3 + c] = Math.min(255, Math.max(0, Math.round(sum)));
    }
  });
  return out;
}

// A photo

const LARGEST = 4096; // Side of a canvas that every browser makes

async function drawn(file, size, isJpeg) { // upright, on white, in the colours that the file holds
  const image = await createImageBitmap(file, {imageOrientation: 'from-image', colorSpaceConversion: 'none'});
  const scale = Math.min(1, LARGEST / Math.max(image.width, image.height));
  const [width, height] = [image.width, image.height].map(n => Math.max(1, Math.round(n * scale)));
  const [across, down] = [width, height].map(n => resizing(n, Math.min(width, height), size, isJpeg));
  const range = steps => [Math.min(...steps.map(s => s.first)), Math.max(...steps.map(s => s.first + s.weights.length))];
  const [[left, right], [top, bottom]] = [range(across), range(down)];
  const canvas = Object.assign(make('canvas'), {width: right - left, height: bottom - top});
  const pen = canvas.getContext('2d', {alpha: false, willReadFrequently: true});
  Object.assign(pen, {fillStyle: 'white', imageSmoothingQuality: 'high'}).fillRect(0, 0, canvas.width, canvas.height);
  pen.drawImage(image, -left, -top, width, height);
  image.close();
  return resized(pen.getImageData(0, 0, canvas.width, canvas.height), left, top, across, down);
}

export async function squareOf(file) { // what the network sees, as bytes
  const [a, b] = new Uint8Array(await file.slice(0, 2).arrayBuffer());
  return drawn(file, about.size, a === 0xff && b === 0xd8);
}

async function refusal(file) { // what is said of a file that the browser cannot decode
  const kind = new TextDecoder('latin1').decode(await file.slice(4, 12).arrayBuffer().catch(() => new ArrayBuffer(0)));
  if (/\.hei[cf]$/i.test(file.name) || /^ftyp(hei|hev|mif|msf)/.test(kind))
    return `${file.name} is a HEIC photo, which this browser cannot read: save it as JPEG, or take a screenshot of it.`;
  return `${file.name} cannot be read as a photo: it may be damaged, far too large, or no photo at all.`;
}

async function probabilities(square) {
  const {size} = about, images = new ort.Tensor('uint8', square, [1, size, size, 3]);
  return [...(await session.run({images})).probabilities.data];
}

// What is shown

function make(tag, text = '', cls = '') {
  return Object.assign(document.createElement(tag), {textContent: text, className: cls});
}

function picture(square, name) { // what the network saw
  const {size} = about, canvas = Object.assign(make('canvas'), {width: size, height: size}), pixels = new ImageData(size, size);
  for (let i = 0; i < size * size; i++) pixels.data.set([...square.subarray(3 * i, 3 * i + 3), 255], 4 * i);
  canvas.getContext('2d').putImageData(pixels, 0, 0);
  canvas.setAttribute('role', 'img');
  canvas.setAttribute('aria-label', `The middle of ${name}, as the network sees it`);
  return canvas;
}

function candidate([breed, p]) {
  const item = make('li'), bar = make('div', '', 'bar'), filled = make('span');
  filled.style.width = `${100 * p}%`;
  bar.append(filled);
  bar.setAttribute('aria-hidden', 'true');
  item.append(make('span', words(breed)), make('span', percent(p)), bar);
  return item;
}

function shown(name, square, probs) {
  const top = probs.map((p, i) => [about.breeds[i], p]).sort((a, b) => b[1] - a[1]).slice(0, 3), [[breed, p]] = top;
  const article = make('article'), text = make('div'), list = make('ol');
  list.append(...top.map(candidate));
  text.append(make('h2', p >= about.confidence_threshold ? `Looks like ${words(breed)}` : 'Not sure: one of these?'), list);
  const alike = about.look_alikes[breed] ?? [];
  if (alike.length) text.append(make('p', `${words(breed)} is most often confused with ${alike.map(words).join(', ')}.`, 'alike'));
  text.append(make('p', name, 'name'));
  article.append(picture(square, name), text);
  return article;
}

async function answer(file) {
  let square;
  try {
    square = await squareOf(file);
  } catch {
    const article = make('article');
    article.append(make('p', await refusal(file)));
    return article;
  }
  const probs = await probabilities(square);
  if (!probs.every(Number.isFinite)) throw new Error(`no answer for ${file.name}`);
  return shown(file.name, square, probs);
}

let queue = Promise.resolve();

function take(files) { // one after the other; the page is drawn in between
  if (!session) return;
  for (const file of [...files]) queue = queue.then(async () => {
    $('answers').prepend(await answer(file));
    await new Promise(done => setTimeout(done));
  }).catch(error => { $('status').textContent = `${file.name}: ${error.message}`; });
}

// Loading

async function unpacked(name, count) {
  const response = await fetch(name);
  if (!response.ok) throw new Error(`${name}: ${response.status}`);
  const counted = new TransformStream({transform(chunk, to) { count(chunk.length); to.enqueue(chunk); }});
  return new Response(response.body.pipeThrough(counted).pipeThrough(new DecompressionStream('gzip'))).arrayBuffer();
}

async function load() {
  $('load').disabled = true;
  $('status').textContent = 'Loading …';
  const progress = Object.assign($('progress'), {hidden: false, max: about.bytes, value: 0});
  try {
    const count = n => { progress.value += n; };
    const [module, binary, model] = await Promise.all([import(`./ort.js?${attempts++}`), unpacked('ort.wasm.gzip', count), unpacked('model.onnx.gzip', count)]);
    ort = module;
    Object.assign(ort.env.wasm, {numThreads: 1, wasmBinary: binary});
    session = await ort.InferenceSession.create(model, {executionProviders: ['wasm']});
    await probabilities(new Uint8Array(about.size ** 2 * 3)); // the first answer takes longer
  } catch (error) {
    session = undefined;
    progress.hidden = true;
    $('load').disabled = false;
    $('status').textContent = `The model could not be loaded (${error.message}): try again.`;
    return;
  }
  $('loading').hidden = true;
  $('choose').hidden = false;
  $('status').textContent = 'The model is there; from now on this page needs no network.';
  $('files').focus();
}

async function begin() {
  about = await (await fetch('demo.json')).json();
  const {breeds, low, high, error, data, bytes, runtime} = about, part = x => `${(100 * x).toFixed(1)}%`;
  $('about').append(` It knows ${breeds.length} breeds; another breed, or no pet at all, gets one of them, too.`);
  $('load').textContent = `Load the model (${(bytes / 1e6).toFixed(1)} MB)`;
  $('load').disabled = false;
  if (error !== undefined) $('footer').append(`Judged out of fold on ${data}, ${part(error)} got a wrong breed (${part(low)} to ${part(high)}). `);
  $('footer').append(`Network: EfficientNet-Lite, Apache-2.0. Run by ${runtime}, MIT.`);
}

$('load').addEventListener('click', load);
for (const id of ['files', 'camera']) $(id).addEventListener('change', event => {
  take(event.target.files);
  event.target.value = ''; // the same file may be chosen again
});
addEventListener('paste', event => take(event.clipboardData.files));
for (const kind of ['dragover', 'dragleave', 'drop']) addEventListener(kind, event => {
  event.preventDefault();
  $('choose').classList.toggle('over', kind === 'dragover');
  if (kind === 'drop') take(event.dataTransfer.files);
});
begin().catch(() => { $('status').textContent = 'The model was not built into this page: in a checkout, `make demo` does that and serves it; it needs npm.'; });
