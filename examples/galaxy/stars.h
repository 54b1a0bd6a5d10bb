// The stars, their motion on the processor, and their picture.
#ifndef STARS_H_
#define STARS_H_

#include <stdbool.h>
#include <stdint.h>

#define TIME_STEP 0.004
#define SOFTENING 0.0025

typedef struct Vector {
    float x, y, z, w;
} Vector;

typedef struct Stars {
    uint32_t count;
    // x, y, z, mass.
    Vector *places;
    Vector *speeds;
} Stars;

// Two discs that turn around heavy cores, on their way towards each other.
Stars two_galaxies(uint32_t count);
Stars copy_of(const Stars *stars);
void free_stars(Stars *stars);
// What the shader does, in the same order.
void steps_on_cpu(Stars *stars, uint32_t steps);
// Kinetic and potential energy together.
double energy_of(const Stars *stars);
// The greatest difference between the coordinates and speeds of two sets.
double distance(const Stars *left, const Stars *right);
// Writes a picture as PPM. False and errno where that fails.
bool paint(const Stars *stars, const char *path);

#endif
