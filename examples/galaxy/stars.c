#include "stars.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void *memory(size_t size) {
    void *bytes = calloc(1, size);
    if (!bytes) {
        fprintf(stderr, "error: no memory for %zu bytes\n", size);
        exit(1);
    }
    return bytes;
}

// A number from 0 to 1: the same everywhere, so that the stars are.
static float chance(uint32_t *state) {
    *state = *state * 1664525u + 1013904223u;
    return (float)(*state >> 8) / (float)(1 << 24);
}

Stars two_galaxies(uint32_t count) {
    Stars stars = {count, memory(count * sizeof(Vector)), memory(count * sizeof(Vector))};
    const float core = 0.45f, rest = 0.1f;
    uint32_t state = 1;
    for (uint32_t at = 0; at < count; at++) {
        // Each galaxy turns around a heavy core, its first star.
        bool is_core = at < 2;
        float side = at % 2 ? 1.0f : -1.0f;
        float radius = is_core ? 0 : 0.08f + 0.4f * chance(&state);
        float angle = 6.2831853f * chance(&state);
        // As fast as the core's pull bends the way into a circle.
        float speed = sqrtf(core) * radius / powf(radius * radius + (float)SOFTENING, 0.75f);
        stars.places[at] = (Vector){radius * cosf(angle) + 0.7f * side, radius * sinf(angle) + 0.3f * side,
            0.02f * (chance(&state) - 0.5f), is_core ? core : rest / (float)count};
        stars.speeds[at] = (Vector){-speed * sinf(angle) - 0.45f * side, speed * cosf(angle), 0, 0};
    }
    return stars;
}

Stars copy_of(const Stars *stars) {
    size_t size = stars->count * sizeof(Vector);
    Stars copy = {stars->count, memory(size), memory(size)};
    memcpy(copy.places, stars->places, size);
    memcpy(copy.speeds, stars->speeds, size);
    return copy;
}

void free_stars(Stars *stars) {
    free(stars->places);
    free(stars->speeds);
}

void steps_on_cpu(Stars *stars, uint32_t steps) {
    const float time = (float)TIME_STEP;
    for (uint32_t step = 0; step < steps; step++) {
        for (uint32_t at = 0; at < stars->count; at++) {
            Vector here = stars->places[at];
            float x = 0, y = 0, z = 0;
            for (uint32_t other = 0; other < stars->count; other++) {
                Vector there = stars->places[other];
                float dx = there.x - here.x, dy = there.y - here.y, dz = there.z - here.z;
                float square = dx * dx + dy * dy + dz * dz + (float)SOFTENING;
                float pull = there.w / sqrtf(square * square * square);
                x += dx * pull;
                y += dy * pull;
                z += dz * pull;
            }
            stars->speeds[at].x += x * time;
            stars->speeds[at].y += y * time;
            stars->speeds[at].z += z * time;
        }
        for (uint32_t at = 0; at < stars->count; at++) {
            stars->places[at].x += stars->speeds[at].x * time;
            stars->places[at].y += stars->speeds[at].y * time;
            stars->places[at].z += stars->speeds[at].z * time;
        }
    }
}

double energy_of(const Stars *stars) {
    double energy = 0;
    for (uint32_t at = 0; at < stars->count; at++) {
        Vector here = stars->places[at], speed = stars->speeds[at];
        energy += 0.5 * here.w * (speed.x * speed.x + speed.y * speed.y + speed.z * speed.z);
        for (uint32_t other = at + 1; other < stars->count; other++) {
            Vector there = stars->places[other];
            double dx = there.x - here.x, dy = there.y - here.y, dz = there.z - here.z;
            energy -= here.w * there.w / sqrt(dx * dx + dy * dy + dz * dz + SOFTENING);
        }
    }
    return energy;
}

static double greatest(Vector left, Vector right, double before) {
    double x = fabs(left.x - right.x), y = fabs(left.y - right.y), z = fabs(left.z - right.z);
    double most = x > y ? x : y;
    most = most > z ? most : z;
    // Not a number stays so.
    return most <= before ? before : most;
}

double distance(const Stars *left, const Stars *right) {
    double most = 0;
    for (uint32_t at = 0; at < left->count; at++) {
        most = greatest(left->places[at], right->places[at], most);
        most = greatest(left->speeds[at], right->speeds[at], most);
    }
    return most;
}

bool paint(const Stars *stars, const char *path) {
    enum { SIDE = 512 };
    uint8_t (*pixels)[3] = memory(SIDE * SIDE * 3);
    for (uint32_t at = 0; at < stars->count; at++) {
        float x = (stars->places[at].x / 3.0f + 0.5f) * SIDE, y = (stars->places[at].y / 3.0f + 0.5f) * SIDE;
        if (x >= 0 && x < SIDE && y >= 0 && y < SIDE) {
            uint8_t *pixel = pixels[(uint32_t)y * SIDE + (uint32_t)x];
            for (int colour = 0; colour < 3; colour++) {
                // The galaxies keep their colours.
                int more = pixel[colour] + (colour == (at % 2 ? 0 : 2) ? 255 : 140);
                pixel[colour] = (uint8_t)(more > 255 ? 255 : more);
            }
        }
    }
    FILE *file = fopen(path, "wb");
    bool done = file && fprintf(file, "P6\n%d %d\n255\n", SIDE, SIDE) > 0 &&
                fwrite(pixels, 3, SIDE * SIDE, file) == SIDE * SIDE;
    if (file && fclose(file) != 0) {
        done = false;
    }
    free(pixels);
    return done;
}
