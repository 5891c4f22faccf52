//! The graphics state of a content stream (ISO 32000, 8.4), as far as text needs it.

use std::rc::Rc;

use hayro_syntax::object::{Array, Name, Object, Stream};
use hayro_syntax::page::Resources;

use super::super::fonts::Face;

pub(super) type Matrix = [f64; 6];

pub(super) const IDENTITY: Matrix = [1.0, 0.0, 0.0, 1.0, 0.0, 0.0];

/// First `a`, then `b`.
pub(super) fn multiply(a: &Matrix, b: &Matrix) -> Matrix {
    [
        a[0] * b[0] + a[1] * b[2],
        a[0] * b[1] + a[1] * b[3],
        a[2] * b[0] + a[3] * b[2],
        a[2] * b[1] + a[3] * b[3],
        a[4] * b[0] + a[5] * b[2] + b[4],
        a[4] * b[1] + a[5] * b[3] + b[5],
    ]
}

/// A colour space, as far as it says what is white.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Space {
    Gray,
    Rgb,
    Cmyk,
    /// Amounts of ink: none of it is white.
    Tint,
    Other,
}

impl Space {
    pub fn named(name: &Name, resources: &Resources) -> Space {
        match name.as_str() {
            "DeviceGray" | "G" | "CalGray" => Space::Gray,
            "DeviceRGB" | "RGB" | "CalRGB" => Space::Rgb,
            "DeviceCMYK" | "CMYK" => Space::Cmyk,
            _ => match resources.color_spaces.get::<Object>(name.as_ref()) {
                Some(Object::Array(array)) => Space::of(&array),
                Some(Object::Name(inner)) if inner.as_str() != name.as_str() => match inner.as_str() {
                    "DeviceGray" => Space::Gray,
                    "DeviceRGB" => Space::Rgb,
                    "DeviceCMYK" => Space::Cmyk,
                    _ => Space::Other,
                },
                _ => Space::Other,
            },
        }
    }

    fn of(array: &Array) -> Space {
        let mut items = array.flex_iter();
        match items.next::<Name>().as_ref().map(|family| family.as_str()) {
            Some("ICCBased") => {
                match items.next::<Stream>().and_then(|profile| profile.dict().get::<i32>(b"N")) {
                    Some(1) => Space::Gray,
                    Some(3) => Space::Rgb,
                    Some(4) => Space::Cmyk,
                    _ => Space::Other,
                }
            }
            Some("CalGray") => Space::Gray,
            Some("CalRGB") => Space::Rgb,
            Some("Separation" | "DeviceN") => Space::Tint,
            _ => Space::Other,
        }
    }
}

/// The text state and the matrices of a text object.
#[derive(Clone)]
pub(super) struct Text<'a> {
    pub face: Option<Rc<Face<'a>>>,
    pub size: f64,
    pub character_spacing: f64,
    pub word_spacing: f64,
    /// Horizontal scale, 1 being 100 %.
    pub scale: f64,
    pub leading: f64,
    pub rise: f64,
    pub mode: i64,
    /// Size of what was last shown on the line itself.
    pub plain_size: f64,
    line: Matrix,
    current: Matrix,
}

impl Text<'_> {
    pub fn begin(&mut self) {
        self.line = IDENTITY;
        self.current = IDENTITY;
    }

    pub fn set_matrix(&mut self, matrix: Matrix) {
        self.line = matrix;
        self.current = matrix;
    }

    pub fn next_line(&mut self, x: f64, y: f64) {
        self.line = multiply(&[1.0, 0.0, 0.0, 1.0, x, y], &self.line);
        self.current = self.line;
    }

    /// From a glyph space of size 1 to user space.
    pub fn matrix(&self) -> Matrix {
        multiply(&[self.size * self.scale, 0.0, 0.0, self.size, 0.0, self.offset()], &self.current)
    }

    /// How far what is shown is set off its line: superscripts are, but not letters of full size, which some programs
    /// place along a curve in this way.
    pub fn offset(&self) -> f64 {
        let full = self.plain_size > 0.0 && self.size >= 0.9 * self.plain_size;
        if full && self.rise.abs() < 0.6 * self.size { 0.0 } else { self.rise }
    }

    /// Moves on by a glyph.
    pub fn advance(&mut self, advance: f64, spacing: f64, vertical: bool) {
        let step = advance * self.size + spacing;
        let (x, y) = if vertical { (0.0, step) } else { (step * self.scale, 0.0) };
        self.current = multiply(&[1.0, 0.0, 0.0, 1.0, x, y], &self.current);
    }

    /// Moves back by thousandths of the font size.
    pub fn adjust(&mut self, thousandths: f64) {
        let vertical = self.face.as_ref().is_some_and(|face| face.vertical);
        self.advance(-thousandths / 1000.0, 0.0, vertical);
    }
}

/// The graphics state.
#[derive(Clone)]
pub(super) struct State<'a> {
    pub matrix: Matrix,
    pub text: Text<'a>,
    pub space: Space,
    /// Whether what is filled is white.
    pub white: bool,
    /// Whether what is filled cannot be seen at all.
    pub transparent: bool,
    /// Whether a form or a marked stretch belongs to a layer that is switched off.
    pub layer_hidden: bool,
    pub marks_hidden: bool,
}

impl<'a> State<'a> {
    pub fn new(matrix: Matrix) -> State<'a> {
        let text = Text {
            face: None,
            size: 0.0,
            character_spacing: 0.0,
            word_spacing: 0.0,
            scale: 1.0,
            leading: 0.0,
            rise: 0.0,
            mode: 0,
            plain_size: 0.0,
            line: IDENTITY,
            current: IDENTITY,
        };
        State {
            matrix,
            text,
            space: Space::Gray,
            white: false,
            transparent: false,
            layer_hidden: false,
            marks_hidden: false,
        }
    }

    /// Sets the space; its initial colour is black in all that matter.
    pub fn set_space(&mut self, space: Space) {
        self.space = space;
        self.white = false;
    }

    pub fn set_color(&mut self, space: Space, values: &[f64]) {
        self.space = space;
        self.white = match space {
            Space::Gray | Space::Rgb => !values.is_empty() && values.iter().all(|&value| value >= 0.97),
            Space::Cmyk | Space::Tint => !values.is_empty() && values.iter().all(|&value| value <= 0.02),
            Space::Other => false,
        };
    }
}
