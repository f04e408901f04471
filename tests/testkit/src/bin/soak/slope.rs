//! A straight line through points by ordinary least squares, and how sure its slope is.

/// The slope of a line, with the bounds of its 95 % confidence interval: the slope ± Student's t of n − 2 degrees of freedom × its
/// standard error. It holds for points whose deviations from the line are independent and alike.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Slope {
    pub(crate) value: f64,
    pub(crate) low: f64,
    pub(crate) high: f64,
}

/// Fewer points have no interval worth the name, and [`student_t`] is exact enough only from three degrees of freedom on.
const FEWEST_POINTS: usize = 5;

impl Slope {
    /// The slope of these points `(x, y)`; `None` where they are too few, or all at the same x.
    pub(crate) fn of(points: &[(f64, f64)]) -> Option<Self> {
        if points.len() < FEWEST_POINTS {
            return None;
        }
        let number = points.len() as f64;
        let mean_x = points.iter().map(|(x, _)| x).sum::<f64>() / number;
        let mean_y = points.iter().map(|(_, y)| y).sum::<f64>() / number;
        let spread: f64 = points.iter().map(|(x, _)| (x - mean_x).powi(2)).sum();
        let together: f64 = points.iter().map(|(x, y)| (x - mean_x) * (y - mean_y)).sum();
        if spread <= 0.0 {
            return None;
        }
        let value = together / spread;
        let deviation = |(x, y): &(f64, f64)| y - mean_y - value * (x - mean_x);
        let squares: f64 = points.iter().map(|point| deviation(point).powi(2)).sum();
        let freedom = number - 2.0;
        let margin = student_t(freedom) * (squares / freedom / spread).sqrt();
        Some(Self {
            value,
            low: value - margin,
            high: value + margin,
        })
    }
}

/// The 97.5 % quantile of Student's t distribution, by its expansion around the normal one (Abramowitz and Stegun, 26.7.5).
fn student_t(freedom: f64) -> f64 {
    /// The 97.5 % quantile of the normal distribution.
    const Z: f64 = 1.959_963_985;
    let z = |power| Z.powi(power);
    let terms = [
        (z(3) + Z) / 4.0,
        (5.0 * z(5) + 16.0 * z(3) + 3.0 * Z) / 96.0,
        (3.0 * z(7) + 19.0 * z(5) + 17.0 * z(3) - 15.0 * Z) / 384.0,
        (79.0 * z(9) + 776.0 * z(7) + 1482.0 * z(5) - 1920.0 * z(3) - 945.0 * Z) / 92_160.0,
    ];
    let powers = (1..).map(|power| freedom.powi(power));
    Z + terms.iter().zip(powers).map(|(term, power)| term / power).sum::<f64>()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn is_near(value: f64, expected: f64, tolerance: f64) {
        assert!((value - expected).abs() <= tolerance, "{value}, not {expected}");
    }

    #[test]
    fn students_t_as_in_the_tables() {
        for (freedom, expected) in [
            (3.0, 3.182),
            (4.0, 2.776),
            (7.0, 2.365),
            (10.0, 2.228),
            (30.0, 2.042),
            (120.0, 1.980),
        ] {
            is_near(student_t(freedom), expected, 0.006);
        }
    }

    #[test]
    fn a_line_has_its_slope_and_no_doubt() {
        let points: Vec<_> = (0..10).map(f64::from).map(|x| (x, 40.0 - 0.25 * x)).collect();
        let slope = Slope::of(&points).unwrap();
        is_near(slope.value, -0.25, 1e-9);
        is_near(slope.high - slope.low, 0.0, 1e-6);
    }

    /// Anscombe's first set: slope 0.5001, standard error 0.1179 with 9 degrees of freedom.
    #[test]
    fn a_known_set_of_points() {
        let x = [10.0, 8.0, 13.0, 9.0, 11.0, 14.0, 6.0, 4.0, 12.0, 7.0, 5.0];
        let y = [8.04, 6.95, 7.58, 8.81, 8.33, 9.96, 7.24, 4.26, 10.84, 4.82, 5.68];
        let points: Vec<_> = x.into_iter().zip(y).collect();
        let slope = Slope::of(&points).unwrap();
        is_near(slope.value, 0.5001, 1e-4);
        is_near(slope.high - slope.value, 2.262 * 0.1179, 1e-3);
        is_near(slope.value - slope.low, 2.262 * 0.1179, 1e-3);
    }

    #[test]
    fn where_there_is_no_slope() {
        assert_eq!(Slope::of(&[(0.0, 1.0), (1.0, 1.0), (2.0, 1.0), (3.0, 1.0)]), None);
        assert_eq!(Slope::of(&[(1.0, 2.0); 9]), None);
    }
}
