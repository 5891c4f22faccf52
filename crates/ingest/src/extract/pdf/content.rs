//! The content of a page: runs the operators that show text and says where each glyph stands, and what a person
//! could not see of it.

mod state;

use std::collections::HashMap;
use std::rc::Rc;

use hayro_syntax::content::TypedIter;
use hayro_syntax::content::ops::TypedInstruction;
use hayro_syntax::object::{Array, Dict, Name, Object, Stream, String as PdfString};
use hayro_syntax::page::{Page, Resources};

use super::fonts::{Face, Fonts};
use state::{Matrix, Space, State, multiply};

/// Deepest nesting of forms.
const FORMS: usize = 16;
/// Most operators run for one page, forms included.
const OPERATORS: usize = 4_000_000;
/// Most glyphs kept of one page.
const GLYPHS: usize = 400_000;

/// Whether a person sees a glyph.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Sight {
    Visible,
    /// Shown in the mode that paints nothing: the text layer of a scan, or hidden.
    Unpainted,
    /// White, too small, transparent or in a layer that is switched off.
    Hidden,
}

/// A glyph on its page, in points, `y` downwards from the top of the page as it is shown.
#[derive(Clone, Debug)]
pub(super) struct Glyph {
    pub text: Rc<str>,
    /// Where its baseline begins.
    pub x: f32,
    pub y: f32,
    /// Its advance as a vector.
    pub dx: f32,
    pub dy: f32,
    pub size: f32,
    pub bold: bool,
    pub vertical: bool,
    pub sight: Sight,
}

/// A box with its sides parallel to the page's.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Area {
    pub left: f32,
    pub top: f32,
    pub right: f32,
    pub bottom: f32,
}

impl Area {
    fn contains(&self, x: f32, y: f32) -> bool {
        self.left <= x && x <= self.right && self.top <= y && y <= self.bottom
    }

    pub fn size(&self) -> f32 {
        (self.right - self.left).max(0.0) * (self.bottom - self.top).max(0.0)
    }

    fn of(matrix: &Matrix, [left, bottom, right, top]: [f64; 4]) -> Area {
        let corners = [(left, bottom), (right, bottom), (left, top), (right, top)].map(|(x, y)| {
            let x2 = matrix[0] * x + matrix[2] * y + matrix[4];
            let y2 = matrix[1] * x + matrix[3] * y + matrix[5];
            (x2 as f32, y2 as f32)
        });
        Area {
            left: corners.iter().map(|c| c.0).fold(f32::INFINITY, f32::min),
            top: corners.iter().map(|c| c.1).fold(f32::INFINITY, f32::min),
            right: corners.iter().map(|c| c.0).fold(f32::NEG_INFINITY, f32::max),
            bottom: corners.iter().map(|c| c.1).fold(f32::NEG_INFINITY, f32::max),
        }
    }
}

/// Everything that a page shows.
#[derive(Default)]
pub(super) struct Canvas {
    pub width: f32,
    pub height: f32,
    pub glyphs: Vec<Glyph>,
    pub images: Vec<Area>,
    /// Glyphs that the fonts give no characters for.
    pub unknown: usize,
    /// Areas that are painted in a colour other than white.
    painted: Vec<Area>,
    /// The medium, of which the page may show a part only.
    medium: Area,
    operators: usize,
}

/// Runs the content of a page and of its annotations' appearances.
pub(super) fn run<'a>(page: &Page<'a>, fonts: &Fonts<'a>, hidden_layers: &[u32]) -> Canvas {
    let (width, height) = page.render_dimensions();
    let base = page.initial_transform(true).as_coeffs();
    let medium = page.media_box();
    let medium = Area::of(&base, [medium.x0, medium.y0, medium.x1, medium.y1]);
    let mut runner = Runner {
        canvas: Canvas { width, height, medium, ..Canvas::default() },
        fonts,
        hidden_layers,
        faces: HashMap::new(),
    };
    if let Some(content) = page.page_stream() {
        runner.stream(content, page.resources(), State::new(base), 0);
    }
    for annotation in page.raw().get::<Array>(b"Annots").iter().flat_map(|list| list.iter::<Dict>()) {
        runner.annotation(&annotation, page.resources(), base);
    }
    runner.canvas
}

struct Runner<'a, 'f> {
    canvas: Canvas,
    fonts: &'f Fonts<'a>,
    /// Object numbers of the layers that are switched off.
    hidden_layers: &'f [u32],
    faces: HashMap<(usize, Vec<u8>), Option<Rc<Face<'a>>>>,
}

/// Marked content that is open.
struct Mark {
    hidden: bool,
    /// The text that stands for what is shown inside, until it has been placed.
    replacement: Option<Rc<str>>,
    replaced: bool,
}

impl<'a> Runner<'a, '_> {
    fn annotation(&mut self, annotation: &Dict<'a>, resources: &Resources<'a>, base: Matrix) {
        const INVISIBLE: i32 = 2 | 32;
        let kind = annotation.get::<Name>(b"Subtype");
        let flags = annotation.get::<i32>(b"F").unwrap_or(0);
        if flags & INVISIBLE != 0 || kind.is_some_and(|kind| matches!(kind.as_str(), "Popup" | "Link")) {
            return;
        }
        let Some(appearances) = annotation.get::<Dict>(b"AP") else { return };
        let form = appearances.get::<Stream>(b"N").or_else(|| {
            let states = appearances.get::<Dict>(b"N")?;
            states.get::<Stream>(annotation.get::<Name>(b"AS")?.as_ref())
        });
        let (Some(form), Some(rect)) = (form, numbers::<4>(annotation, b"Rect")) else { return };
        let matrix = numbers::<6>(form.dict(), b"Matrix").unwrap_or(state::IDENTITY);
        let Some(bounds) = numbers::<4>(form.dict(), b"BBox") else { return };
        // The box of the appearance is fitted into the annotation's rectangle (ISO 32000, 12.5.5).
        let fitted = Area::of(&matrix, bounds);
        let (wide, high) = (f64::from(fitted.right - fitted.left), f64::from(fitted.bottom - fitted.top));
        let scale = |to: f64, from: f64| if from.abs() < 1e-6 { 1.0 } else { to / from };
        let (sx, sy) = (scale((rect[2] - rect[0]).abs(), wide), scale((rect[3] - rect[1]).abs(), high));
        let (left, bottom) = (rect[0].min(rect[2]), rect[1].min(rect[3]));
        let place =
            [sx, 0.0, 0.0, sy, left - f64::from(fitted.left) * sx, bottom - f64::from(fitted.top) * sy];
        let mut state = State::new(base);
        state.matrix = multiply(&place, &state.matrix);
        self.form(&form, resources, state, 0);
    }

    fn form(&mut self, form: &Stream<'a>, outer: &Resources<'a>, mut state: State<'a>, depth: usize) {
        if depth >= FORMS {
            return;
        }
        if self.is_hidden_layer(form.dict().get_ref(b"OC").map(|reference| reference.obj_number)) {
            state.layer_hidden = true;
        }
        let matrix = numbers::<6>(form.dict(), b"Matrix").unwrap_or(state::IDENTITY);
        state.matrix = multiply(&matrix, &state.matrix);
        let own = form.dict().get::<Dict>(b"Resources").map(Resources::new);
        if let Ok(content) = form.decoded_data() {
            self.stream(&content, own.as_ref().unwrap_or(outer), state, depth + 1);
        }
    }

    fn is_hidden_layer(&self, layer: Option<impl TryInto<u32>>) -> bool {
        let number = layer.and_then(|number| number.try_into().ok());
        number.is_some_and(|number| self.hidden_layers.contains(&number))
    }

    /// Runs one content stream.
    fn stream(&mut self, content: &[u8], resources: &Resources<'a>, initial: State<'a>, depth: usize) {
        let mut state = initial;
        let mut saved: Vec<State<'a>> = Vec::new();
        let mut marks: Vec<Mark> = Vec::new();
        let mut path: Vec<[f64; 4]> = Vec::new();
        let mut operators = TypedIter::new(content);
        use TypedInstruction as Op;
        while let Some(operator) = operators.next() {
            self.canvas.operators += 1;
            if self.canvas.operators > OPERATORS || self.canvas.glyphs.len() > GLYPHS {
                return;
            }
            match operator {
                Op::SaveState(_) if saved.len() < 512 => saved.push(state.clone()),
                Op::RestoreState(_) => {
                    state = saved.pop().unwrap_or(state);
                    state.marks_hidden = marks.iter().any(|mark| mark.hidden);
                }
                Op::Transform(t) => {
                    let matrix = [t.0, t.1, t.2, t.3, t.4, t.5].map(|number| number.as_f64());
                    state.matrix = multiply(&matrix, &state.matrix);
                }
                Op::SetGraphicsState(name) => self.graphics_state(resources, name.0, &mut state),
                Op::RectPath(r) => {
                    let [x, y, w, h] = [r.0, r.1, r.2, r.3].map(|number| number.as_f64());
                    path.push([x, y, x + w, y + h]);
                }
                Op::FillPathNonZero(_)
                | Op::FillPathNonZeroCompatibility(_)
                | Op::FillPathEvenOdd(_)
                | Op::FillAndStrokeNonZero(_)
                | Op::FillAndStrokeEvenOdd(_)
                | Op::CloseFillAndStrokeNonZero(_)
                | Op::CloseFillAndStrokeEvenOdd(_) => {
                    if !state.white && self.canvas.painted.len() < 10_000 {
                        self.canvas.painted.extend(path.iter().map(|rect| Area::of(&state.matrix, *rect)));
                    }
                    path.clear();
                }
                Op::StrokePath(_) | Op::CloseAndStrokePath(_) | Op::EndPath(_) => path.clear(),
                Op::Shading(_) => {
                    let whole =
                        Area { left: 0.0, top: 0.0, right: self.canvas.width, bottom: self.canvas.height };
                    self.canvas.painted.push(whole);
                }
                Op::ColorSpaceNonStroke(name) => state.set_space(Space::named(name.0, resources)),
                Op::NonStrokeColorDeviceGray(g) => state.set_color(Space::Gray, &[g.0.as_f64()]),
                Op::NonStrokeColorDeviceRgb(c) => {
                    state.set_color(Space::Rgb, &[c.0.as_f64(), c.1.as_f64(), c.2.as_f64()]);
                }
                Op::NonStrokeColorCmyk(c) => {
                    state.set_color(Space::Cmyk, &[c.0.as_f64(), c.1.as_f64(), c.2.as_f64(), c.3.as_f64()]);
                }
                Op::NonStrokeColor(c) => {
                    let values: Vec<f64> = c.0.iter().map(|number| number.as_f64()).collect();
                    state.set_color(state.space, &values);
                }
                Op::NonStrokeColorNamed(c) => {
                    let values: Vec<f64> = c.0.iter().map(|number| number.as_f64()).collect();
                    state.set_color(if c.1.is_some() { Space::Other } else { state.space }, &values);
                }
                Op::XObject(name) => self.object(resources, name.0, &state, depth),
                Op::InlineImage(_) => self.image(&state),
                Op::CharacterSpacing(n) => state.text.character_spacing = n.0.as_f64(),
                Op::WordSpacing(n) => state.text.word_spacing = n.0.as_f64(),
                Op::HorizontalScaling(n) => state.text.scale = n.0.as_f64() / 100.0,
                Op::TextLeading(n) => state.text.leading = n.0.as_f64(),
                Op::TextFont(f) => {
                    state.text.face = self.face(resources, f.0);
                    state.text.size = f.1.as_f64();
                }
                Op::TextRenderingMode(n) => state.text.mode = n.0.as_i64(),
                Op::TextRise(n) => state.text.rise = n.0.as_f64(),
                Op::BeginText(_) => state.text.begin(),
                Op::NextLine(t) => state.text.next_line(t.0.as_f64(), t.1.as_f64()),
                Op::NextLineAndSetLeading(t) => {
                    state.text.leading = -t.1.as_f64();
                    state.text.next_line(t.0.as_f64(), t.1.as_f64());
                }
                Op::NextLineUsingLeading(_) => state.text.next_line(0.0, -state.text.leading),
                Op::SetTextMatrix(t) => {
                    state.text.set_matrix([t.0, t.1, t.2, t.3, t.4, t.5].map(|number| number.as_f64()));
                }
                Op::ShowText(s) => self.show(s.0, &mut state, &mut marks),
                Op::NextLineAndShowText(s) => {
                    state.text.next_line(0.0, -state.text.leading);
                    self.show(s.0, &mut state, &mut marks);
                }
                Op::ShowTextWithParameters(s) => {
                    state.text.word_spacing = s.0.as_f64();
                    state.text.character_spacing = s.1.as_f64();
                    state.text.next_line(0.0, -state.text.leading);
                    self.show(s.2, &mut state, &mut marks);
                }
                Op::ShowTexts(array) => {
                    for item in array.0.iter::<Object>() {
                        match item {
                            Object::String(string) => self.show(&string, &mut state, &mut marks),
                            Object::Number(number) => state.text.adjust(number.as_f64()),
                            _ => {}
                        }
                    }
                }
                Op::BeginMarkedContent(_) => {
                    marks.push(Mark { hidden: false, replacement: None, replaced: false })
                }
                Op::BeginMarkedContentWithProperties(mark) => {
                    marks.push(self.mark(mark.0, mark.1, resources));
                    state.marks_hidden = marks.iter().any(|mark| mark.hidden);
                }
                Op::EndMarkedContent(_) => {
                    marks.pop();
                    state.marks_hidden = marks.iter().any(|mark| mark.hidden);
                }
                _ => {}
            }
        }
    }

    fn mark(&self, tag: &Name, properties: &Object, resources: &Resources<'a>) -> Mark {
        let mut mark = Mark { hidden: false, replacement: None, replaced: false };
        match properties {
            Object::Dict(dict) => {
                mark.replacement = dict
                    .get::<PdfString>(b"ActualText")
                    .map(|text| super::structure::text_string(&text).into());
            }
            Object::Name(name) => {
                if tag.as_str() == "OC" {
                    let layer =
                        resources.properties.get_ref(name.as_ref()).map(|reference| reference.obj_number);
                    mark.hidden = self.is_hidden_layer(layer);
                } else if let Some(dict) = resources.properties.get::<Dict>(name.as_ref()) {
                    mark.replacement = dict
                        .get::<PdfString>(b"ActualText")
                        .map(|text| super::structure::text_string(&text).into());
                }
            }
            _ => {}
        }
        mark
    }

    fn graphics_state(&mut self, resources: &Resources<'a>, name: &Name, state: &mut State<'a>) {
        let Some(dict) = resources.ext_g_states.get::<Dict>(name.as_ref()) else { return };
        if let Some(alpha) = dict.get::<f32>(b"ca") {
            state.transparent = alpha < 0.02;
        }
        if let Some(font) = dict.get::<Array>(b"Font") {
            let mut items = font.flex_iter();
            if let Some(dict) = items.next::<Dict>() {
                state.text.face = self.fonts.face(&dict);
                state.text.size = items.next::<f32>().map_or(state.text.size, f64::from);
            }
        }
    }

    fn face(&mut self, resources: &Resources<'a>, name: &Name) -> Option<Rc<Face<'a>>> {
        let key = (resources.fonts.data().as_ptr() as usize, name.as_ref().to_vec());
        if let Some(face) = self.faces.get(&key) {
            return face.clone();
        }
        let face = resources.fonts.get::<Dict>(name.as_ref()).and_then(|dict| self.fonts.face(&dict));
        self.faces.insert(key, face.clone());
        face
    }

    fn object(&mut self, resources: &Resources<'a>, name: &Name, state: &State<'a>, depth: usize) {
        let Some(object) = resources.x_objects.get::<Stream>(name.as_ref()) else { return };
        match object.dict().get::<Name>(b"Subtype").as_ref().map(|kind| kind.as_str()) {
            Some("Form") => self.form(&object, resources, state.clone(), depth),
            Some("Image") => self.image(state),
            _ => {}
        }
    }

    fn image(&mut self, state: &State<'a>) {
        if self.canvas.images.len() < 10_000 {
            let area = Area::of(&state.matrix, [0.0, 0.0, 1.0, 1.0]);
            self.canvas.images.push(area);
            self.canvas.painted.push(area);
        }
    }

    /// Shows a string: a glyph for each code, or one for all where the text is given beside it.
    fn show(&mut self, string: &[u8], state: &mut State<'a>, marks: &mut [Mark]) {
        let Some(face) = state.text.face.clone() else { return };
        if state.text.rise == 0.0 {
            state.text.plain_size = state.text.size;
        }
        let replacing = marks.iter_mut().rev().find(|mark| mark.replacement.is_some());
        let mut replacement = replacing.map(|mark| {
            let first = !std::mem::replace(&mut mark.replaced, true);
            mark.replacement.clone().filter(|_| first).unwrap_or_else(|| "".into())
        });
        face.codes(string, |code, number, length| {
            let text = match &mut replacement {
                Some(text) => std::mem::replace(text, "".into()),
                None => code.text.clone(),
            };
            let spacing = if number == 32 && length == 1 { state.text.word_spacing } else { 0.0 };
            let spacing = spacing + state.text.character_spacing;
            self.place(text, code.advance, code.shift, &face, state);
            state.text.advance(f64::from(code.advance), spacing, face.vertical);
        });
    }

    fn place(&mut self, text: Rc<str>, advance: f32, shift: f32, face: &Face, state: &State) {
        if text.is_empty() {
            self.canvas.unknown += 1;
            return;
        }
        let matrix = multiply(&state.text.matrix(), &state.matrix);
        let [a, b, c, d, e, f] = matrix.map(|value| value as f32);
        let size = (c * c + d * d).sqrt();
        let (along_x, along_y) = match face.vertical {
            true => (c * advance, d * advance),
            false => (a * advance, b * advance),
        };
        let (x, y) = (e + a * shift, f + b * shift);
        if !(x.is_finite() && y.is_finite() && size.is_finite() && along_x.is_finite() && along_y.is_finite())
        {
            return;
        }
        // What lies off the medium is no part of the page: it was cut off.
        let near = Area {
            left: self.canvas.medium.left - size,
            top: self.canvas.medium.top - size,
            right: self.canvas.medium.right + size,
            bottom: self.canvas.medium.bottom + size,
        };
        if !near.contains(x + along_x / 2.0, y + along_y / 2.0) {
            return;
        }
        let sight = self.sight(x + along_x / 2.0, y + along_y / 2.0 - size * 0.3, size, state);
        self.canvas.glyphs.push(Glyph {
            text,
            x,
            y,
            dx: along_x,
            dy: along_y,
            size,
            bold: face.bold,
            vertical: face.vertical,
            sight,
        });
    }

    fn sight(&self, x: f32, y: f32, size: f32, state: &State) -> Sight {
        let (width, height) = (self.canvas.width, self.canvas.height);
        let outside = x < -1.0 || y < -size || x > width + 1.0 || y > height + size;
        let tiny = size < 1.5 && size < height * 0.003;
        if state.transparent || state.layer_hidden || state.marks_hidden || tiny || outside {
            return Sight::Hidden;
        }
        if state.text.mode == 3 {
            return Sight::Unpainted;
        }
        let unfilled = state.text.mode == 1;
        if state.white && !unfilled && !self.canvas.painted.iter().any(|area| area.contains(x, y)) {
            return Sight::Hidden;
        }
        Sight::Visible
    }
}

/// An array of exactly `N` numbers.
pub(super) fn numbers<const N: usize>(dict: &Dict, key: &[u8]) -> Option<[f64; N]> {
    let values: Vec<f64> = dict.get::<Array>(key)?.iter::<f64>().take(N).collect();
    values.try_into().ok()
}
